#!/bin/sh
# Accessibility of every view, in both themes and at three widths (axe.test.js), by itself because it takes longest.
# ctest: slow 280
exec "$(dirname "$0")/test_explorer.sh" axe
