"""The web app: `python app.py`, then open the printed address. The app itself is genmodels/app.py; a Space runs this file."""

from genmodels.app import build_app, launch_options

if __name__ == "__main__":
    build_app().launch(**launch_options())
