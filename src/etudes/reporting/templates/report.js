(function () {
  "use strict";
  var root = document.documentElement;
  var button = document.getElementById("theme");
  var system = window.matchMedia("(prefers-color-scheme: dark)");
  var touch = window.matchMedia("(pointer: coarse)").matches;
  var plots = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  var PAPER = 680; // pixels of a figure on A4 between ordinary margins
  var config = {
    responsive: true, displaylogo: false, scrollZoom: false, plotlyServerURL: "", showSendToCloud: false,
    displayModeBar: touch ? false : "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendDataToCloud"]
  };

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  }

  function colour(name) {
    return window.getComputedStyle(root).getPropertyValue(name).trim();
  }

  // What a figure takes from the theme, as dotted keys; axes are found by name since a figure may have many.
  function themed(layout) {
    var grid = colour("--grid"), soft = colour("--soft");
    var update = {
      "font.color": colour("--ink"), "hoverlabel.bgcolor": colour("--card"),
      "hoverlabel.font.color": colour("--ink"), "hoverlabel.bordercolor": soft,
      "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": soft, "modebar.activecolor": colour("--ink")
    };
    Object.keys(layout).forEach(function (key) {
      if (/^[xy]axis\d*$/.test(key)) {
        update[key + ".gridcolor"] = grid;
        update[key + ".zerolinecolor"] = grid;
        update[key + ".linecolor"] = soft;
        update[key + ".tickcolor"] = soft;
      }
    });
    return update;
  }

  // In a narrow box the room goes to the data: smaller type, and no word beside an axis of names.
  function narrowed(plot) {
    if (plot.clientWidth >= 480) return {};
    var update = { "font.size": 11, "margin.l": 4, "margin.r": Math.min(48, (plot.layout.margin || {}).r || 16) };
    Object.keys(plot.layout).forEach(function (key) {
      if (!/^[xy]axis\d*$/.test(key)) return;
      update[key + ".title.font.size"] = 12;
      if (key[0] === "y" && plot.layout[key].type === "category") update[key + ".title.text"] = "";
    });
    return update;
  }

  function recolourWhiskers(plot) {
    ["error_x", "error_y"].forEach(function (key) {
      var found = [];
      plot.data.forEach(function (trace, index) { if (trace[key]) found.push(index); });
      var update = {};
      update[key + ".color"] = colour("--ink");
      if (found.length) window.Plotly.restyle(plot, update, found);
    });
  }

  // plotly's own menus cannot be reached by keyboard and their colours do not follow a theme.
  function addMenus(plot, menus) {
    var place = document.getElementById("menu-" + plot.dataset.number);
    menus.forEach(function (menu, index) {
      if (!menu.buttons || !menu.buttons.length) return;
      var label = document.createElement("label");
      var select = document.createElement("select");
      var decode = document.createElement("textarea"); // labels are escaped for plotly; a textarea runs nothing
      menu.buttons.forEach(function (entry, number) {
        decode.innerHTML = entry.label || String(number);
        select.add(new Option(decode.value, String(number), false, number === (menu.active || 0)));
      });
      label.textContent = (menu.name || "show") + " ";
      label.htmlFor = select.id = "menu-" + plot.dataset.number + "-" + index;
      select.addEventListener("change", function () {
        var entry = menu.buttons[Number(select.value)];
        if (entry.method === "skip") return;
        window.Plotly[entry.method].apply(null, [plot].concat(JSON.parse(JSON.stringify(entry.args || []))));
      });
      place.append(label, select);
    });
  }

  // At once where plotly is there, as printing needs it, else as soon as it is.
  function draw(plot) {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "started";
    if (window.Plotly) paint(plot);
    else loading.then(function () { paint(plot); }).catch(function (error) { fail(plot, error); });
  }

  function paint(plot) {
    try {
      var figure = JSON.parse(document.getElementById("figure-" + plot.dataset.number).textContent);
      var layout = figure.layout, menus = layout.updatemenus || [];
      delete layout.updatemenus;
      delete layout.width;
      layout.autosize = true;
      if (touch) layout.dragmode = false; // or a finger could not scroll past the figure
      addMenus(plot, menus);
      plot.textContent = "";
      window.Plotly.newPlot(plot, figure.data, layout, config).then(function () {
        return window.Plotly.relayout(plot, Object.assign(themed(plot.layout), narrowed(plot)));
      }).then(function () {
        recolourWhiskers(plot);
        plot.dataset.drawn = "done";
      }).catch(function (error) { fail(plot, error); });
    } catch (error) { fail(plot, error); }
  }

  function fail(plot, error) {
    plot.dataset.drawn = "failed";
    plot.textContent = "This figure could not be drawn: " + error.message;
    window.console.error(error);
  }

  function recolour() {
    var dark = isDark();
    button.textContent = dark ? "Light theme" : "Dark theme";
    plots.forEach(function (plot) {
      if (plot.dataset.drawn !== "done") return;
      window.Plotly.relayout(plot, themed(plot.layout));
      recolourWhiskers(plot);
    });
  }

  button.hidden = false;
  button.addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { window.localStorage.setItem("etudes-theme", root.dataset.theme); } catch (error) { /* this page only */ }
    recolour();
  });
  system.addEventListener("change", recolour);
  recolour();

  // What does not fit its box says so, and fades at the edge behind which there is more.
  function markCut(box) {
    var hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("wide", hidden > 1);
    box.classList.toggle("cut", hidden - box.scrollLeft > 1);
  }
  document.querySelectorAll(".scroll").forEach(function (box) {
    box.addEventListener("scroll", function () { markCut(box); }, { passive: true });
    if ("ResizeObserver" in window) new ResizeObserver(function () { markCut(box); }).observe(box);
    markCut(box);
  });

  var loading = plots.length ? Promise.resolve().then(loadPlotly) : null;
  if ("IntersectionObserver" in window) {
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) return;
        observer.unobserve(entry.target);
        draw(entry.target);
      });
    }, { rootMargin: "250px 0px" });
    plots.forEach(function (plot) { observer.observe(plot); });
  } else {
    plots.forEach(draw);
  }

  // Paper is white and cannot be scrolled or opened.
  var before = null;
  window.addEventListener("beforeprint", function () {
    before = { theme: root.dataset.theme, closed: Array.from(document.querySelectorAll("details:not([open])")) };
    root.dataset.theme = "light";
    before.closed.forEach(function (details) { details.open = true; });
    plots.forEach(draw);
    plots.forEach(function (plot) {
      if (window.Plotly && plot.dataset.drawn !== "failed") window.Plotly.relayout(plot, { width: PAPER, autosize: false });
    });
    recolour();
  });
  window.addEventListener("afterprint", function () {
    if (!before) return;
    if (before.theme) root.dataset.theme = before.theme; else delete root.dataset.theme;
    before.closed.forEach(function (details) { details.open = false; });
    before = null;
    plots.forEach(function (plot) {
      if (plot.dataset.drawn === "done") window.Plotly.relayout(plot, { width: null, autosize: true });
    });
    recolour();
  });
})();
