// Copy buttons: the exact bytes of data-copy, said aloud; where copying is refused the text is selected instead.
(() => {
  const SHOWN_MS = 2000;

  const say = (text) => {
    const announcer = document.getElementById("announcer");
    announcer.textContent = "";
    requestAnimationFrame(() => { announcer.textContent = text; });
  };

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
    const text = button.parentElement.querySelector("[data-exact]");
    if (text) getSelection().selectAllChildren(text);
    button.querySelector("[data-copy-word]").textContent = "Press Ctrl+C";
    button.querySelector("[data-copy-word]").classList.remove("md:sr-only");
    say(`Could not copy ${subject(button)}. It is selected: press Ctrl+C.`);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      showCopied(button);
    } catch {
      selectInstead(button);
    }
  });

  window.say = say;
})();
