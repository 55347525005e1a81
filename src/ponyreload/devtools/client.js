// ponyreload put this into the page: it refreshes that when newer code serves, and shows why it does not.
"use strict";
(() => {
  const { base = "", group, events, asked } = document.currentScript.dataset;
  const key = `ponyreload ${group} ${location.pathname}`;
  const channel = new BroadcastChannel(`ponyreload ${group}`);
  let at = +asked, news, leaves, told, overlay, dead;

  function take(latest) {
    news = latest;
    if (document.hidden || leaves) return; // until it is looked at
    const { styles } = news;
    const fresh = Object.keys(styles).filter((name) => styles[name] > at);
    if (news.at > at || !swap(fresh)) {
      leaves = sessionStorage[key] = [scrollX, scrollY];
      return location.reload();
    }
    at = Math.max(at, ...fresh.map((name) => styles[name]));
    show(news.error);
  }

  // Only if the page itself names all of these style sheets.
  function swap(names) {
    const links = [...document.querySelectorAll("link[rel~=stylesheet][href]:not([data-old])")];
    const old = names.map((name) => links.filter((link) => new URL(link.href).pathname.endsWith(`/${name}`)));
    if (!old.every((found) => found[0])) return;
    for (const link of old.flat()) {
      const copy = link.cloneNode();
      const url = new URL(link.href);
      url.searchParams.set("ponyreload", Date.now());
      copy.href = url;
      copy.onload = copy.onerror = () => link.remove();
      link.dataset.old = "";
      link.after(copy);
    }
    return true;
  }

  const hide = () => overlay?.remove();

  function make(name, ...inner) {
    const element = document.createElement(name);
    element.append(...inner); // text stays text
    return element;
  }

  function show(error) {
    const text = JSON.stringify(error);
    if (text === told) return;
    told = text;
    hide();
    if (!error) return;
    const lines = error.source.map(([number, line]) =>
      make(number === error.line ? "b" : "span", `${number}`.padStart(5), `  ${line}`));
    const button = make("button", "Hide (Esc)");
    button.onclick = hide;
    const style = new CSSStyleSheet();
    style.replaceSync(error.style);
    overlay = make("ponyreload-error");
    const root = overlay.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [style];
    root.append(make("main", button, make("h1", error.text), make("p", error.place), make("pre", ...lines),
      make("pre", error.details), make("p", error.outcome)));
    document.documentElement.append(overlay);
  }

  const ask = async () => (await fetch(`${base}/__ponyreload__/news`)).json();

  function tell(latest) {
    channel.postMessage(latest);
    take(latest);
  }

  function listen(address) {
    if (!address || address === dead) return setTimeout(poll, 1000);
    dead = address; // until it is heard
    const source = new EventSource(address);
    source.onmessage = ({ data }) => {
      dead = 0;
      tell(JSON.parse(data));
    };
    source.onerror = () => {
      source.close();
      listen();
    };
  }

  function poll() {
    ask().then((latest) => {
      tell(latest);
      listen(events && latest.events); // a policy may forbid it
    }).catch(() => listen()); // the server is started again
  }

  // One page of the browser hears of news, and tells the others.
  function lead() {
    channel.onmessage = ({ data }) => data || (news && channel.postMessage(news));
    listen(events);
  }

  channel.onmessage = ({ data }) => data && take(data);
  channel.postMessage(0); // asks for the news
  if (navigator.locks) navigator.locks.request(channel.name, () => new Promise(lead));
  else lead();

  addEventListener("visibilitychange", () => document.hidden || ask().then(take).catch(() => {}));
  addEventListener("keydown", (event) => event.key === "Escape" && hide(), true);
  const place = sessionStorage[key]?.split(",");
  delete sessionStorage[key];
  if (place) document.readyState === "complete" ? scrollTo(...place) : addEventListener("load", () => scrollTo(...place));
})();
