"use strict";
(function () {
  var box = document.querySelector(".spectrum");
  if (box) BILENS.probe(box);

  /* The bar tells where the reader is. */
  if ("IntersectionObserver" in window) {
    var chips = {};
    document.querySelectorAll(".chips a").forEach(function (a) { chips[a.hash.slice(1)] = a; });
    var observer = new IntersectionObserver(function (entries) {
      entries.forEach(function (e) { if (chips[e.target.id]) chips[e.target.id].classList.toggle("here", e.isIntersecting); });
    }, { rootMargin: "-20% 0px -70% 0px" });
    document.querySelectorAll(".vector").forEach(function (s) { observer.observe(s); });
  }

  /* Paper has no hidden parts. */
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (e) { e.open = true; });
  });
})();
