const clock = document.getElementById("clock");
const end = Date.now() + Number(clock.dataset.seconds) * 1000;
function tick() {
  const left = Math.max(0, Math.round((end - Date.now()) / 1000)), hours = Math.floor(left / 3600);
  const rest = String(Math.floor(left / 60) % 60).padStart(2, "0") + ":" + String(left % 60).padStart(2, "0");
  clock.textContent = hours ? hours + ":" + rest : rest;
}
async function look() {
  try {
    const state = await (await fetch(clock.dataset.state)).json();
    if (state.leave) { location.replace(state.leave); return; }
  } catch (problem) { /* the sandbox may be restarting */ }
  setTimeout(look, 2000);
}
tick(); setInterval(tick, 500); setTimeout(look, 2000);
