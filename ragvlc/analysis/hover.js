(() => {
  if (window.ragvlcHover) return;
  window.ragvlcHover = true;
  const NEAR = 22, MOST = 4;
  const tip = document.createElement("div");
  tip.className = "ragvlc-tip";
  tip.hidden = true;
  let shown = null;
  const words = (hit) => {
    const title = hit.querySelector("title");
    if (title) { hit.dataset.text = title.textContent; title.remove(); }
    return hit.dataset.text || "";
  };
  const clear = () => {
    if (!shown) return;
    const svg = shown.ownerSVGElement;
    if (svg) {
      svg.classList.remove("dim");
      svg.querySelectorAll(".on").forEach((one) => one.classList.remove("on"));
    }
    shown = null;
    tip.hidden = true;
  };
  const highlight = (svg, one) => {
    one.classList.add("on");
    if (one.dataset.series === undefined) return;
    svg.classList.add("dim");
    svg.querySelectorAll(`g[data-series="${one.dataset.series}"]`).forEach((own) => own.classList.add("on"));
  };
  const nearest = (svg, x, y) => {
    let best = null, least = NEAR * NEAR;
    for (const hit of svg.querySelectorAll(".hit")) {
      const box = hit.getBoundingClientRect();
      const inside = hit.tagName === "rect" && x >= box.left && x < box.right && y >= box.top && y < box.bottom;
      const across = x - (box.left + box.right) / 2, up = y - (box.top + box.bottom) / 2;
      const far = inside ? 0 : hit.tagName === "rect" ? Infinity : across * across + up * up;
      if (far < least) { least = far; best = hit; }
    }
    return best;
  };
  const together = (svg, hit) => {
    const at = (one) => { const box = one.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; };
    const [x, y] = at(hit);
    const same = [...svg.querySelectorAll(".hit")].filter((one) => one !== hit && Math.hypot(at(one)[0] - x, at(one)[1] - y) < 3);
    const more = same.length > MOST - 1 ? [`and ${same.length - MOST + 1} more here`] : [];
    return [hit, ...same.slice(0, MOST - 1)].map(words).concat(more).join("\n\n");
  };
  const place = (x, y) => {
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, x + 16 + box.width > innerWidth ? x - box.width - 16 : x + 16)}px`;
    tip.style.top = `${Math.max(4, Math.min(innerHeight - box.height - 4, y + 14))}px`;
  };
  document.addEventListener("pointermove", (event) => {
    const svg = event.target.closest ? event.target.closest("svg") : null;
    if (!svg || !svg.querySelector(".hit")) { clear(); return; }
    const named = event.target.closest("g[data-series]");
    const found = nearest(svg, event.clientX, event.clientY) || named;
    if (found !== shown) {
      clear();
      if (found) { shown = found; highlight(svg, found); }
    }
    const text = found && found.classList.contains("hit") ? together(svg, found) : "";
    tip.hidden = !text;
    if (text) {
      if (!tip.isConnected) document.body.append(tip);
      tip.textContent = text;
      place(event.clientX, event.clientY);
    }
  });
  document.addEventListener("pointerleave", clear);
  document.addEventListener("scroll", clear, { capture: true, passive: true });
})();
