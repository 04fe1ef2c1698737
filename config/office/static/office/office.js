// The keyboard and the clipboard of the back office: "/" finds, j and k walk a list, Enter opens.
(() => {
  const typing = (target) => /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || target.isContentEditable;
  let row = -1;

  const rows = () => [...document.querySelectorAll("#result_list tbody tr")];

  const walk = (step) => {
    const all = rows();
    if (!all.length) return;
    all[row]?.classList.remove("o-at-row");
    row = Math.min(Math.max(row + step, 0), all.length - 1);
    all[row].classList.add("o-at-row");
    all[row].scrollIntoView({ block: "nearest" });
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "Enter" && row >= 0) rows()[row]?.querySelector("a")?.click();
    else if (event.key === "/") {
      event.preventDefault();
      document.querySelector("[data-find]")?.focus();
    }
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.classList.add("o-copied");
      setTimeout(() => button.classList.remove("o-copied"), 1200);
    } catch {
      window.getSelection().selectAllChildren(button.previousElementSibling);
    }
  });

  // Fields that only some answers ask for: data-when="route=bank" shows one while that answer is chosen.
  const fit = () => {
    for (const input of document.querySelectorAll("[data-when]")) {
      const [name, value] = input.dataset.when.split("=");
      const form = input.form;
      const chosen = form?.querySelector(`[name="${name}"]:checked, select[name="${name}"]`)?.value;
      input.closest(".o-field").hidden = chosen !== value;
    }
  };
  document.addEventListener("change", fit);
  document.addEventListener("DOMContentLoaded", fit);

  // A deed is sent once, however often the button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.querySelector("[data-once]") || event.submitter?.name === "_preview") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
})();
