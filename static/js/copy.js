// Copy buttons: the exact bytes of data-copy, or what the field named by data-copy-from holds now, said aloud; where
// copying is refused the text is selected instead.
(() => {
  const SHOWN_MS = 2000;

  const say = (text) => {
    const announcer = document.getElementById("announcer");
    announcer.textContent = "";
    requestAnimationFrame(() => { announcer.textContent = text; });
  };

  const fieldOf = (button) => document.getElementById(button.dataset.copyFrom || "");

  const subject = (button) => button.getAttribute("aria-label").replace(/^Copy /, "");

  const showCopied = (button) => {
    const word = button.querySelector("[data-copy-word]");
    word.dataset.copyWord ||= word.textContent;
    button.dataset.copied = "";
    word.textContent = "Copied";
    say(`Copied ${subject(button)}`);
    clearTimeout(button.copyTimer);
    button.copyTimer = setTimeout(() => { delete button.dataset.copied; word.textContent = word.dataset.copyWord; }, SHOWN_MS);
  };

  const selectInstead = (button) => {
    const field = fieldOf(button);
    const text = button.parentElement.querySelector("[data-exact]");
    if (field) field.select();
    else if (text) getSelection().selectAllChildren(text);
    button.querySelector("[data-copy-word]").textContent = "Press Ctrl+C";
    button.querySelector("[data-copy-word]").classList.remove("md:sr-only");
    say(`Could not copy ${subject(button)}. It is selected: press Ctrl+C.`);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(fieldOf(button)?.value ?? button.dataset.copy);
      showCopied(button);
    } catch {
      selectInstead(button);
    }
  });

  window.say = say;
})();
