"""Policy packs: what a regulation says, as data. ``schema`` fixes the files, ``pack`` loads and lints."""
