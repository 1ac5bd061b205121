// The page works without this: it chooses which replies are shown, and opens the fine print on paper.
(function () {
  "use strict";
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("section > details").forEach(function (part) { part.open = true; });
  });
  var bar = document.getElementById("reply-filter");
  var count = document.getElementById("reply-count");
  var probes = Array.prototype.slice.call(document.querySelectorAll("[data-category]"));
  if (!bar || !probes.length) { return; }

  function show(button) {
    var wanted = button.value;
    var shown = 0;
    bar.querySelectorAll("button").forEach(function (other) {
      other.setAttribute("aria-pressed", String(other === button));
    });
    probes.forEach(function (probe) {
      var fits = wanted === "all" ||
        (wanted === "some" ? "pick" in probe.dataset : probe.dataset.category === wanted.slice(1));
      probe.hidden = !fits;
      if (fits) { shown += 1; }
    });
    count.textContent = shown + (shown === 1 ? " probe" : " probes") + " shown";
  }

  bar.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (button) { show(button); }
  });
  bar.hidden = false;
  show(bar.querySelector("button"));
}());
