// A form that is sent after the session ended, or that a poll leads away from: its input waits in this tab until the same person has signed in again.
(() => {
  const KEY = "unsent-form";
  const MINUTES = 30;
  const user = document.documentElement.dataset.user;
  const KEPT = "textarea, select, input:not([type=hidden], [type=password], [type=file], [type=submit])";
  const SECRET = /secret|token|password|header|code|url|target/i; // the URL of a webhook is a secret
  const read = () => {
    try { return JSON.parse(sessionStorage.getItem(KEY)); } catch { return null; }
  };
  const forget = () => sessionStorage.removeItem(KEY);
  const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.matches(KEPT) && !SECRET.test(field.name));
  // Only what the person changed: the rest of the form may have changed on the server meanwhile.
  const isChanged = (field) => field.matches("[type=checkbox], [type=radio]") ? field.checked !== field.defaultChecked
    : field.matches("select") ? [...field.options].some((option) => option.selected !== option.defaultSelected)
      : field.value !== field.defaultValue;
  const stateOf = (field) => field.matches("[type=checkbox], [type=radio]") ? field.checked
    : field.matches("select") ? [...field.selectedOptions].map((option) => option.value) : field.value;
  const put = (field, state) => {
    if (field.matches("[type=checkbox], [type=radio]")) field.checked = state;
    else if (field.matches("select")) [...field.options].forEach((option) => { option.selected = state.includes(option.value); });
    else field.value = state;
  };
  // Forms of one page can have the same fields, so a draft belongs to the form with the same place, URL and hidden values.
  const OF_THE_SERVER = /csrf|seen|_id$/i; // differ each time that the page is shown
  const identityOf = (form) => JSON.stringify([[...document.forms].indexOf(form), form.getAttribute("action"),
    ...[...form.elements].filter((field) => field.type === "hidden" && field.name && !OF_THE_SERVER.test(field.name) && !SECRET.test(field.name))
      .map((field) => `${field.name}=${field.value}`)]);
  const nameOf = (field) => `${field.name} ${field.matches("[type=checkbox], [type=radio]") ? field.value : ""}`;

  const isSent = (form) => form.method === "post" || form.hasAttribute("hx-post");
  const keep = (form) => {
    if (!user || !isSent(form)) return;
    const fields = fieldsOf(form).filter(isChanged).map((field) => [nameOf(field), stateOf(field)]);
    if (!fields.length) return;
    const draft = { user, path: location.pathname, form: identityOf(form), fields, until: Date.now() + MINUTES * 60000, hasSignedOut: false };
    try { sessionStorage.setItem(KEY, JSON.stringify(draft)); } catch { forget(); }
  };
  document.addEventListener("submit", (event) => keep(event.target), true);
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const leads = event.detail.xhr.getResponseHeader("HX-Redirect");
    const form = event.detail.elt.closest("form");
    if (!leads && form) forget();
    // A poll leads away from a form that wasn't sent yet.
    const unsent = leads && !form && [...document.forms].find((each) => isSent(each) && fieldsOf(each).some(isChanged));
    if (unsent) keep(unsent);
  });

  const restore = (draft) => {
    const kept = new Map(draft.fields);
    const form = [...document.forms].find((each) => identityOf(each) === draft.form);
    const fields = form ? fieldsOf(form).filter((field) => kept.has(nameOf(field))) : [];
    if (fields.length < kept.size) return;
    fields.forEach((field) => {
      put(field, kept.get(nameOf(field)));
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    document.getElementById("problem").replaceChildren(document.getElementById("input-restored").content.cloneNode(true));
    forget();
  };
  const draft = read();
  if (!draft) return;
  if (!user && document.querySelector("[data-signed-out]")) {
    sessionStorage.setItem(KEY, JSON.stringify({ ...draft, hasSignedOut: true }));
  } else if (!user && !draft.hasSignedOut) {
    forget();
  } else if (user && (user !== draft.user || !draft.hasSignedOut || draft.until < Date.now())) {
    forget();
  } else if (user && draft.path === location.pathname) {
    restore(draft);
  }
})();
