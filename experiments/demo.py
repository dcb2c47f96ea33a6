"""Serves a page that runs an export in the browser: move the budget, and watch the levels follow.

    python -m experiments.demo --export_dir=runs/quickstart/dvn/seed0/export --open

needs LiteRT files in the export. The page is served to this machine alone, and the images that
you show it do not leave the browser.
"""

import webbrowser

from absl import flags

from experiments import programs
from experiments.folder_flags import define_folder

_EXPORT_DIR = define_folder(
    "export_dir", None, "Export folder with manifest.json.", exists=True, required=True
)
_IMAGES = define_folder(
    "images",
    None,
    "Folder of test images to offer, or of a folder of them for each class; by default digits, "
    "for exports that were trained on them.",
    exists=True,
)
_RUNTIME_DIR = define_folder(
    "runtime_dir",
    None,
    "Folder in which npm installs LiteRT.js, the runtime of the page; by default "
    "~/.cache/dvn_tf/demo.",
)
_INSTALL = flags.DEFINE_bool("install", False, "Let npm install LiteRT.js if it is not there.")
_PORT = flags.DEFINE_integer(
    "port", 0, "Port to serve on; 0 takes any that is free.", lower_bound=0, upper_bound=65535
)
_OPEN = flags.DEFINE_bool("open", False, "Open the page in the browser.")


def main(_):
    with programs.starting():  # only now: TensorFlow takes seconds to import
        from dvn_tf.demo import server

    options = {"images": _IMAGES.value, "runtime_dir": _RUNTIME_DIR.value}
    options |= {"port": _PORT.value, "install": _INSTALL.value}
    with server.open_server(_EXPORT_DIR.value, **options) as opened:
        print(f"The page is at {opened.url} until you press Ctrl-C", flush=True)
        if _OPEN.value:
            webbrowser.open(opened.url)
        opened.serve_forever()


def _interrupted() -> str:
    return "the page is closed"


if __name__ == "__main__":
    programs.run(main, _interrupted)
