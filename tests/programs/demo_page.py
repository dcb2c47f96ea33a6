"""The demo's page in a browser, as a test uses it."""

import base64
import pathlib


class DemoPage:
    """The page as a person uses it, and what a person sees."""

    def __init__(self, page, url):
        self.page, self.url = page, url
        self.errors, self.requests = [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._note)
        page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, message):
        if message.type == "error":
            self.errors.append(message.text)

    def open(self):
        self.page.goto(self.url)
        self.settle()

    def settle(self):
        # By selectors, because the page's policy lets nobody evaluate a text as JavaScript.
        self.page.wait_for_selector("#main[aria-busy=false]", state="attached", timeout=120_000)

    def wait_for_image(self, name):
        self.page.wait_for_selector(f"#original-caption:has-text('{name},')")
        self.settle()

    def set_budget(self, text):
        self.page.fill("#budget-text", str(text))
        self.page.press("#budget-text", "Enter")
        self.settle()

    def set_image(self, path):
        self.page.set_input_files("#file", str(path))
        self.wait_for_image(pathlib.Path(path).name)

    def choose_sample(self, number, name):
        self.page.click(f"#samples button >> nth={number}")
        self.wait_for_image(name)

    def drop(self, path):
        """Drops a file on the page, as from a file manager."""
        script = """([name, type, content]) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name, { type }));
          document.querySelector("#drop").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
        content = base64.b64encode(pathlib.Path(path).read_bytes()).decode()
        kind = "text/plain" if str(path).endswith(".txt") else "image/png"
        self.page.evaluate(script, [pathlib.Path(path).name, kind, content])

    def card(self, task):
        return self.page.locator(f"[data-task='{task}']")

    def levels(self):
        """{task: the level that is shown as loaded}, without those that have none."""
        found = {}
        for card in self.page.locator(".card").all():
            [*loaded] = card.locator(".level.loaded .name").all_text_contents()
            if loaded:
                found[card.get_attribute("data-task")] = int(loaded[0].removeprefix("Level "))
        return found

    def answers(self, task):
        """[(class, probability)] in the order shown."""
        rows = self.card(task).locator(".classes li").all()
        values = [float(row.locator(".share").get_attribute("value")) for row in rows]
        return list(zip([row.locator(".name").text_content() for row in rows], values, strict=True))
