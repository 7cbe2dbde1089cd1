// Single keys, all optional and switched off in the settings (WCAG 2.1.4). Never while somebody types.
(() => {
  const typing = (element) => element.closest("input, textarea, select, [contenteditable]");
  const dialog = document.getElementById("shortcuts");
  const actions = {
    "/": () => { document.querySelector("[data-search]")?.focus(); document.querySelector("[data-search]")?.select(); },
    "?": () => dialog?.showModal(),
    c: () => document.activeElement.closest(".cell, dd, li")?.querySelector("[data-copy]")?.click(),
    r: () => document.querySelector("[data-check-now]")?.click(),
  };
  let before = "";
  let forget = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || dialog?.open) return;
    const place = before === "g" && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    const act = place ? () => place.click() : actions[event.key];
    clearTimeout(forget);
    before = event.key;
    forget = setTimeout(() => { before = ""; }, 1000);
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.querySelector("[data-shortcuts-open]")?.addEventListener("click", () => dialog.showModal());
})();
