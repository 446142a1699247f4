"""The web app: `python app.py`, then open the printed address. The app itself is genmodels/app.py; a Space runs this file."""

from genmodels.start import main

if __name__ == "__main__":
    main()
