// A picture that cannot be loaded leaves its words, set as text. Listens before the first picture is read.
document.addEventListener("error", function (event) {
  "use strict";
  var image = event.target;
  if (image.tagName !== "IMG") return;
  var words = document.createElement("p");
  words.className = "broken";
  words.textContent = "The picture could not be loaded. " + image.alt;
  image.parentNode.replaceChild(words, image);
}, true);
