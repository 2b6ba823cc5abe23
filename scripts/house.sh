#!/bin/sh
# Measures the production code: functions over 70 lines, files over 450, type names that mean two things.
set -eu
cd "$(dirname "$0")/.."
exec "${CARGO:-cargo}" test --quiet --test integration -- --exact house::house_is_in_order --nocapture
