// Menus that close, errors that take focus, countdowns, the theme, and times that stay true.
(() => {
  const closeMenus = (except) => document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
    if (menu !== except) menu.removeAttribute("open");
  });
  document.addEventListener("click", (event) => closeMenus(event.target.closest("details[data-menu]")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details[data-menu][open]");
    if (!menu) return;
    menu.removeAttribute("open");
    menu.querySelector("summary").focus();
  });
  document.addEventListener("focusout", (event) => {
    const menu = event.target.closest("details[data-menu][open]");
    if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.removeAttribute("open");
  });

  document.querySelector("[data-focus]")?.focus();

  document.querySelectorAll("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });

  // A row of many tabs can be longer than the screen.
  const tabs = document.querySelector("[data-tabs]");
  const here = tabs?.querySelector("[aria-current]");
  if (here) tabs.scrollLeft = here.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-theme-form]");
    if (!form || !event.submitter) return;
    event.preventDefault();
    document.documentElement.dataset.theme = event.submitter.value;
    form.querySelectorAll("[aria-pressed]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button === event.submitter));
    });
    fetch(form.action, { method: "POST", body: new FormData(form, event.submitter), redirect: "manual" });
  });

  // A second press within seconds sends nothing: it would be refused, or done twice, and hide the first answer.
  const SAME_PRESS = 3000;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
    if (Date.now() - (form.sentAt ?? 0) < SAME_PRESS) event.preventDefault();
    else form.sentAt = Date.now();
  });
  window.addEventListener("pageshow", () => [...document.forms].forEach((form) => { form.sentAt = 0; }));

  // A pause that the server enforces; here it is shown. Without JavaScript the button stays and the server answers.
  const tick = () => document.querySelectorAll("[data-countdown]").forEach((button) => {
    button.until ??= Date.now() + Number(button.dataset.countdown) * 1000;
    const left = Math.ceil((button.until - Date.now()) / 1000);
    const word = button.querySelector("[data-countdown-word]");
    word.dataset.words ??= word.textContent;
    word.textContent = left > 0 ? `Check again in ${left} s` : word.dataset.words;
    if (left > 0) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled='true']")) event.preventDefault();
  }, true);

  const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  // The server's title is in UTC; here it is in the reader's own zone, which it names.
  const exact = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });
  const toTheMinute = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });
  const freshen = () => document.querySelectorAll("time[datetime]").forEach((time) => {
    if (time.shown !== time.dateTime) {
      time.title = exact.format(new Date(time.dateTime));
      if ("absolute" in time.dataset) time.textContent = toTheMinute.format(new Date(time.dateTime));
      time.shown = time.dateTime;
    }
    if ("absolute" in time.dataset) return;
    const seconds = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
    if (Math.abs(seconds) > 86400 * 2) return;
    if ("future" in time.dataset && seconds < 1) { time.textContent = "due now"; return; }
    const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
    time.textContent = Math.abs(seconds) < 2 ? "now" : format.format(Math.trunc(seconds / size), unit);
  });
  tick();
  freshen();
  document.addEventListener("htmx:afterSwap", () => { tick(); freshen(); });
  setInterval(() => { if (!document.hidden) { tick(); freshen(); } }, 1000);
})();
