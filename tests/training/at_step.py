"""Something that happens in the middle of a training."""

from tacref.data import PairDataset


def call_at_step(monkeypatch, wanted, function):
    """Call a function once, before the batch of a step is drawn."""
    draw = PairDataset.batch

    def batch(self, step, **share):
        if step == wanted:
            monkeypatch.setattr(PairDataset, "batch", draw)  # it may train, too
            function()
        return draw(self, step, **share)

    monkeypatch.setattr(PairDataset, "batch", batch)
