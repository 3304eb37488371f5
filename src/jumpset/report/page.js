// The comparison with a divider. The rest of the page does not need this script.
// Links can set its state: #slider=25&method=l0&left=Truth&zoom=2 (slider in per cent; zoom fit, 1, 2 or 4).
(function () {
  "use strict";
  var byId = function (id) { return document.getElementById(id); };
  var viewer = byId("viewer"), stage = byId("stage"), sheet = byId("sheet"), cut = byId("cut");
  var under = byId("under"), over = byId("over"), left = byId("left"), zoom = byId("zoom");
  var details = Array.from(document.querySelectorAll(".detail"));
  var tabs = Array.from(document.querySelectorAll("input[name=method]"));
  var pictures = {};
  document.querySelectorAll("img[data-name]").forEach(function (img) { pictures[img.dataset.name] = img; });
  var method = details[0].dataset.name;

  function move() {
    sheet.style.setProperty("--cut", cut.value + "%");
    cut.setAttribute("aria-valuetext", left.value + " on the left " + Math.round(cut.value) + " per cent");
  }
  function put(img, name) {
    img.src = pictures[name].src;
    img.alt = pictures[name].alt;
  }
  function show() {
    put(under, left.value);
    put(over, method);
    byId("left-name").textContent = "\u2190 " + left.value;
    byId("right-name").textContent = method + " \u2192";
    details.forEach(function (d) { d.hidden = d.dataset.name !== method; });
    tabs.forEach(function (t) { t.checked = t.value === method; });
  }
  function resize() {
    var fit = zoom.value === "fit", img = pictures.Input;
    // a small image is enlarged to fit, without interpolation
    sheet.style.width = fit ? "" : img.getAttribute("width") * zoom.value + "px";
    sheet.style.maxWidth = fit ? "calc(85vh * " + img.getAttribute("width") / img.getAttribute("height") + ")" : "none";
    cut.style.maxWidth = byId("ends").style.maxWidth = sheet.style.maxWidth;
    sheet.classList.toggle("zoomed", !fit);
    sheet.classList.toggle("crisp", !fit || img.getAttribute("width") < 600);
  }
  function remember() {
    var state = new URLSearchParams({ slider: cut.value, method: method, left: left.value, zoom: zoom.value });
    try { history.replaceState(null, "", "#" + state); } catch (e) { /* some viewers forbid it for local files */ }
  }
  function recall() {
    var state = new URLSearchParams(location.hash.slice(1));
    var at = parseFloat(state.get("slider"));
    if (at >= 0 && at <= 100) { cut.value = at; }
    if (details.some(function (d) { return d.dataset.name === state.get("method"); })) { method = state.get("method"); }
    [[left, "left"], [zoom, "zoom"]].forEach(function (pair) {
      var wanted = Array.from(pair[0].options).find(function (o) { return o.value === state.get(pair[1]); });
      if (wanted) { pair[0].value = wanted.value; }
    });
    move(); show(); resize();
  }
  var panned = null; // where an enlarged image was last held; null while the divider is
  function drag(event) {
    if (panned) {
      stage.scrollTo(panned.x - event.clientX, panned.y - event.clientY);
      return;
    }
    var box = sheet.getBoundingClientRect();
    cut.value = 100 * (event.clientX - box.left) / box.width;
    move();
  }
  function isNearDivider(event) {
    var box = sheet.getBoundingClientRect();
    return Math.abs(event.clientX - box.left - cut.value / 100 * box.width) < 24;
  }

  cut.addEventListener("input", move);
  cut.addEventListener("change", remember);
  left.addEventListener("change", function () { show(); move(); remember(); });
  zoom.addEventListener("change", function () { resize(); remember(); });
  tabs.forEach(function (tab) {
    tab.addEventListener("change", function () { method = tab.value; show(); remember(); });
  });
  sheet.addEventListener("pointerdown", function (event) {
    // a finger scrolls an enlarged image; the slider below moves the divider
    if (event.button !== 0 || (event.pointerType === "touch" && sheet.classList.contains("zoomed"))) { return; }
    sheet.setPointerCapture(event.pointerId);
    panned = sheet.classList.contains("zoomed") && !isNearDivider(event)
      ? { x: stage.scrollLeft + event.clientX, y: stage.scrollTop + event.clientY } : null;
    drag(event);
  });
  sheet.addEventListener("pointermove", function (event) {
    if (sheet.hasPointerCapture(event.pointerId)) { drag(event); }
  });
  sheet.addEventListener("pointerup", remember);
  sheet.addEventListener("dragstart", function (event) { event.preventDefault(); });
  window.addEventListener("hashchange", recall);
  viewer.hidden = false;
  recall();
  document.documentElement.dataset.ready = "true";
})();
