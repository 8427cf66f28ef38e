// Runs before the page is painted, so that a stored theme does not flash. A page from file:// may have no storage.
(function () {
  "use strict";
  try {
    var stored = window.localStorage.getItem("etudes-theme");
    if (stored === "dark" || stored === "light") document.documentElement.dataset.theme = stored;
  } catch (error) { /* the system's theme it is */ }
})();
