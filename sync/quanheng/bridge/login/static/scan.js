// Tells the page of changes. Without it, the page loads itself again every few seconds.
(() => {
  "use strict";
  const login = document.getElementById("login");
  if (!login) return;
  const base = login.dataset.base;
  const query = "?lang=" + login.dataset.lang;
  const status = document.getElementById("status");
  const panel = document.getElementById("panel");
  const finals = ["done", "refused", "cancelled", "expired"];
  let mark = login.dataset.mark;
  let ended = finals.includes(login.dataset.state);
  let source = null;
  let failures = 0;
  let polls = 0;
  let loading = false;

  function countDown() {
    const place = panel.querySelector("[data-seconds]");
    if (!place) return;
    const ends = performance.now() + Number(place.dataset.seconds) * 1000;
    const tick = () => {
      if (!place.isConnected) return;
      const left = Math.max(0, Math.ceil((ends - performance.now()) / 1000));
      place.textContent = String(left);
      if (left) setTimeout(tick, 500);
    };
    tick();
  }

  async function ask(part) {
    const answer = await fetch(base + "/state" + query + part, { cache: "no-store", credentials: "same-origin" });
    if (answer.status === 404 && !ended) {
      location.reload();
      throw new Error("gone");
    }
    if (!answer.ok) throw new Error("not now");
    return answer.json();
  }

  async function see(news) {
    if (news.state === "accepted") {
      stop();
      location.replace(base + "/finish");
      return;
    }
    if (news.mark === mark || loading || ended) return;
    loading = true;
    try {
      const whole = await ask("&panel=1");
      if (whole.state === "accepted") {
        loading = false;
        see(whole);
        return;
      }
      if (ended) return;
      const focused = panel.contains(document.activeElement);
      mark = whole.mark;
      ended = finals.includes(whole.state);
      status.textContent = whole.status;
      status.classList.toggle("notice", whole.notice !== "");
      panel.innerHTML = whole.panel;
      countDown();
      if (ended) stop();
      if (focused || ended) {
        const next = panel.querySelector("button, a");
        if (next) next.focus();
      }
    } finally {
      loading = false;
    }
  }

  function stop() {
    ended = true;
    if (source) source.close();
    source = null;
  }

  function listen() {
    if (!window.EventSource) {
      poll();
      return;
    }
    source = new EventSource(base + "/events" + query);
    source.onmessage = (event) => {
      failures = 0;
      see(JSON.parse(event.data)).catch(again);
    };
    source.onerror = again;
  }

  function again() {
    if (ended) return;
    if (source) source.close();
    source = null;
    polls = 0;
    setTimeout(poll, 300);
  }

  async function poll() {
    if (ended || source) return;
    try {
      await see(await ask(""));
      failures = 0;
      polls += 1;
    } catch (error) {
      failures += 1;
    }
    if (ended || source) return;
    if (polls >= 5 && window.EventSource) {
      polls = 0;
      listen();
      return;
    }
    setTimeout(poll, Math.min(16000, 2000 * 2 ** Math.min(failures, 3)));
  }

  // A form leads elsewhere: what is told meanwhile must not stop it.
  document.addEventListener("submit", stop);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  countDown();
  if (!ended) listen();
})();
