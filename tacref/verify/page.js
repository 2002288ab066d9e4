"use strict";
// A button for each snippet, which copies it; without scripts there are no buttons.
for (const button of document.querySelectorAll("button.copy")) {
  const code = button.parentElement.querySelector("pre");
  button.hidden = false;
  button.addEventListener("click", async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Not every browser lets a file write to the clipboard: then its older way, or the reader's.
      getSelection().selectAllChildren(code);
      if (!document.execCommand("copy")) said = "Selected: press Ctrl+C";
    }
    button.textContent = said;
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  });
}
