(function () {
  "use strict";
  var form = document.getElementById("filters");
  var search = document.getElementById("search");
  var sort = document.getElementById("sort");
  var time = document.getElementById("time");
  var fields = Array.from(document.querySelectorAll("#fields input"));
  var gallery = document.getElementById("gallery");
  var status = document.getElementById("status");
  var reset = document.getElementById("reset");
  var none = document.getElementById("none");
  var all = status.textContent;

  function fold(text) {
    return text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  }

  // In the order of the page, which is that of the names.
  var cards = Array.from(gallery.children).map(function (element, index) {
    return {
      element: element, index: index, field: element.dataset.field, minutes: Number(element.dataset.seconds || Infinity) / 60,
      gap: element.dataset.gap === "" ? -Infinity : Number(element.dataset.gap),
      text: fold(element.dataset.search + " " + element.dataset.search.replace(/_/g, " "))
    };
  });

  function chosen() {
    return fields.filter(function (box) { return box.checked; }).map(function (box) { return box.value; });
  }

  function show() {
    var words = fold(search.value).split(/\s+/).filter(Boolean), wanted = chosen(), count = 0;
    var order = cards.slice();
    if (sort.value === "gap") {
      order.sort(function (a, b) { return a.gap === b.gap ? a.index - b.index : b.gap - a.gap; });
    }
    order.forEach(function (card) {
      var fits = (!wanted.length || wanted.indexOf(card.field) >= 0) && (!time.value || card.minutes <= Number(time.value)) &&
        words.every(function (word) { return card.text.indexOf(word) >= 0; });
      card.element.hidden = !fits;
      if (fits) count += 1;
      gallery.append(card.element);
    });
    var filtered = words.length > 0 || wanted.length > 0 || time.value !== "";
    status.textContent = filtered ? count + " of " + cards.length + (cards.length === 1 ? " study" : " studies") : all;
    reset.hidden = !filtered;
    none.hidden = count > 0;
  }

  // The view in the address, so that it can be linked: #q=words&field=a,b&minutes=10&sort=gap
  function write() {
    var parts = [];
    if (search.value.trim()) parts.push("q=" + encodeURIComponent(search.value.trim()));
    if (chosen().length) parts.push("field=" + chosen().map(encodeURIComponent).join(","));
    if (time.value) parts.push("minutes=" + time.value);
    if (sort.value !== "name") parts.push("sort=" + sort.value);
    var address = window.location.href.split("#")[0] + (parts.length ? "#" + parts.join("&") : "");
    try { window.history.replaceState(null, "", address); } catch (error) { /* the view stays unlinked */ }
  }

  function read() {
    var hash = window.location.hash.slice(1);
    if (hash && !/^(q|field|minutes|sort)=/.test(hash)) return; // a place in the page, not a view of it
    var given = new URLSearchParams(hash);
    var wanted = (given.get("field") || "").split(",");
    search.value = given.get("q") || "";
    time.value = given.get("minutes") || "";
    if (time.selectedIndex < 0) time.value = ""; // no such choice
    sort.value = given.get("sort") === "gap" ? "gap" : "name";
    fields.forEach(function (box) { box.checked = wanted.indexOf(box.value) >= 0; });
    show();
  }

  function change() {
    show();
    write();
  }

  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("input", change);
  reset.addEventListener("click", function () {
    search.value = "";
    time.value = "";
    fields.forEach(function (box) { box.checked = false; });
    change();
    search.focus();
  });
  window.addEventListener("hashchange", read);
  read();
})();
