(function () {
  "use strict";
  var root = document.documentElement;
  var button = document.getElementById("theme");
  var system = window.matchMedia("(prefers-color-scheme: dark)");

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  }

  function name() {
    button.textContent = isDark() ? "Light theme" : "Dark theme";
  }

  button.hidden = false;
  button.addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { window.localStorage.setItem("etudes-theme", root.dataset.theme); } catch (error) { /* this page only */ }
    name();
    // A report reads the theme when it is loaded; a page opened from a file may not reach into its frame.
    document.querySelectorAll("iframe").forEach(function (frame) { frame.contentWindow.location.replace(frame.src); });
  });
  system.addEventListener("change", name);
  name();

  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open])"));
    opened.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (details) { details.open = false; });
  });
})();
