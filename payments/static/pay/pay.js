// Keeps the pay page true without a reload: asks for its state, and takes over the new page when it would look different.
(() => {
  "use strict";
  const QUICK = 2000, CALM = 5000, CALM_AFTER = 120000, LONGEST = 30000;
  const body = document.body;
  const live = document.getElementById("live");
  const opened = Date.now();
  let end = 0, failures = 0, timer = 0, asking = false;

  function setClock() {
    const clock = document.getElementById("clock");
    end = clock ? Date.now() + Number(clock.dataset.seconds) * 1000 : 0;
    tick();
  }

  function offerCopies() {
    // Without the clipboard (no script, no TLS) the buttons stay hidden; the text can be marked by hand.
    if (!navigator.clipboard) return;
    for (const button of document.querySelectorAll("button.copy")) button.hidden = false;
  }

  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    const word = button.textContent;
    if (word === button.dataset.done) return;
    button.textContent = live.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = word; }, 1600);
  }

  function tick() {
    const clock = document.getElementById("clock");
    if (!clock) return;
    const left = Math.max(0, Math.round((end - Date.now()) / 1000));
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(left / 3600);
    clock.textContent = (hours ? hours + ":" : "") + two(Math.floor(left / 60) % 60) + ":" + two(left % 60);
    clock.parentElement.classList.toggle("is-short", left < 120);
    if (left === 0 && clock.dataset.over !== "1") {
      clock.dataset.over = "1";
      plan(500);
    }
  }

  async function takeOver() {
    const answer = await fetch(location.pathname + location.search, { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = document.getElementById("main");
    const hadFocus = main.contains(document.activeElement);
    main.replaceChildren(...document.adoptNode(fresh.getElementById("main")).childNodes);
    for (const name of ["version", "final", "announce"]) body.dataset[name] = fresh.body.dataset[name];
    document.title = fresh.title;
    live.textContent = body.dataset.announce;
    if (hadFocus) main.focus({ preventScroll: true });
    setClock();
    offerCopies();
  }

  async function look() {
    if (asking || document.hidden || body.dataset.final === "1") return;
    asking = true;
    try {
      const answer = await fetch(body.dataset.state, { cache: "no-store", credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      if (state.version !== body.dataset.version) await takeOver();
      else if (end) end = Date.now() + state.seconds_left * 1000;
      failures = 0;
    } catch (problem) {
      failures += 1;
    } finally {
      asking = false;
    }
    const pause = Date.now() - opened < CALM_AFTER ? QUICK : CALM;
    plan(failures ? Math.min(LONGEST, QUICK * 2 ** failures) * (0.75 + Math.random() / 2) : pause);
  }

  function plan(milliseconds) {
    clearTimeout(timer);
    if (body.dataset.final !== "1") timer = setTimeout(look, milliseconds);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) plan(0); });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.forms) delete form.dataset.sent;
    plan(0);
  });
  addEventListener("online", () => plan(0));
  document.addEventListener("submit", (event) => {
    // A second press would only be refused; the first one is on its way.
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.copy");
    if (button) copy(button).catch(() => { button.hidden = true; });
  });
  setClock();
  offerCopies();
  setInterval(tick, 1000);
  plan(QUICK);
})();
