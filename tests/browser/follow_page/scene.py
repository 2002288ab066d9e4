"""What the page is shown: a reference that tells its frames, and a performance of it."""

import numpy as np

NAME = "<img src=x onerror=window.hit=1>.mp4"
PHASES = ("rise", "</text><script>window.hit=1</script>", "fall")
FPS, FRAMES, SIZE = 25.0, 75, 64
# The performance: slower, a pause, off the script, and on to the end.
AWAY = None
SLOW, PAUSE = np.repeat(np.arange(12), 2).tolist(), [40] * 12
PACE = [*SLOW, *range(12, 40), *PAUSE, *[AWAY] * 15, *range(41, FRAMES)]
ON_SCRIPT = np.array([frame is not AWAY for frame in PACE])
TRUE = np.array([frame for frame in PACE if frame is not AWAY])


def scene(frame):
    """A picture that tells its frame: two bars that cross it at different speeds, and a color."""
    if frame is AWAY:
        return np.tile(np.uint8([[[250, 20, 20], [255, 255, 255]]]), (SIZE, SIZE // 2, 1))
    share = frame / (FRAMES - 1)
    picture = np.full((SIZE, SIZE, 3), (40, 60 + 150 * share, 200 - 150 * share), np.uint8)
    left, top = round((SIZE - 16) * share), round((SIZE - 16) * share**2)
    picture[:, left : left + 16] = (230, 220, 60)
    picture[top : top + 16] = (20, 30, 120)
    return picture
