"""The forum's program: a Pool of four processes, one requests.get for each row, concat(axis=1).

    forum.py URL ROWS.csv OUT.csv        prints "SECONDS ROWS"
"""
import sys
import time
from multiprocessing import Pool

import pandas as pd
import requests

BASE = sys.argv[1]


def api_call(code):
    return requests.get(f"{BASE}/{code}", timeout=30).json()


if __name__ == "__main__":
    begun = time.monotonic()
    table = pd.read_csv(sys.argv[2], keep_default_na=False)
    with Pool(4) as pool:
        answers = pool.map(api_call, table["code"])
    pd.concat([table, pd.DataFrame(answers)], axis=1).to_csv(sys.argv[3], index=False)
    print(f"{time.monotonic() - begun:.4f} {len(table)}")
