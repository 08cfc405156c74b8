#!/usr/bin/env python3
"""Lists the source files below a folder, relative to the working directory; src/surfaces/main.c is the program's own and left out."""
import os
import sys

root = sys.argv[1]
suffix = sys.argv[2] if len(sys.argv) > 2 else '.c'
for folder, folders, files in os.walk(root):
    folders.sort()
    for name in sorted(files):
        if name.endswith(suffix) and name != 'main.c':
            print(os.path.join(folder, name))
