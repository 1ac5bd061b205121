// The page works without this: it only adds the filter over the replies.
(function () {
  "use strict";
  var bar = document.getElementById("reply-filter");
  var count = document.getElementById("reply-count");
  var probes = Array.prototype.slice.call(document.querySelectorAll("[data-category]"));
  if (!bar || !probes.length) { return; }
  bar.hidden = false;
  bar.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) { return; }
    var wanted = button.value;
    bar.querySelectorAll("button").forEach(function (other) {
      other.setAttribute("aria-pressed", String(other === button));
    });
    var shown = 0;
    probes.forEach(function (probe) {
      probe.hidden = wanted !== "" && probe.dataset.category !== wanted;
      if (!probe.hidden) { shown += 1; }
    });
    count.textContent = shown + (shown === 1 ? " probe" : " probes") + " shown";
  });
}());
