"""Tensors that are kept from call to call, also while a CUDA graph is captured."""

import pytest
import torch

from tacref.losses import LAVLoss, constants
from tacref.losses.constants import all_rows, row_numbers

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(constants, "_kept", {})
    monkeypatch.setattr(constants, "_kept_for_graphs", {})


def test_what_they_are():
    assert all_rows(3, 5, CPU).tolist() == [5, 5, 5]
    assert row_numbers(2, 3, CPU).tolist() == [[0, 1, 2], [0, 1, 2]]
    assert all_rows(3, 5, CPU).dtype == row_numbers(2, 3, CPU).dtype == torch.int64


@pytest.mark.parametrize("make", [all_rows, row_numbers])
def test_they_are_made_once(make):
    assert make(2, 3, CPU) is make(2, 3, CPU)
    assert make(2, 3, CPU) is not make(3, 2, CPU)


def test_only_so_many_are_kept():
    first = all_rows(1, 1, CPU)
    for n in range(constants.MOST_KEPT):
        all_rows(1, 2 + n, CPU)
    assert len(constants._kept) == constants.MOST_KEPT
    assert all_rows(1, 1, CPU) is not first


def test_those_made_in_inference_mode_can_be_recorded():
    with torch.inference_mode():
        kept = row_numbers(2, 3, CPU)
    assert not kept.is_inference()


def test_a_graph_that_is_captured_leaves_nothing_and_keeps_what_it_reads(monkeypatch):
    before = all_rows(1, 1, CPU)
    with monkeypatch.context() as patch:
        patch.setattr(constants, "_is_capturing", lambda device: True)
        # Its numbers are written when the graph is replayed.
        captured = row_numbers(2, 3, CPU)
        assert all_rows(1, 1, CPU) is before
    assert row_numbers(2, 3, CPU) is not captured
    for n in range(constants.MOST_KEPT):
        all_rows(1, 2 + n, CPU)
    assert all(each is not before for each in constants._kept.values())
    assert any(each is before for each in constants._kept_for_graphs.values())


def test_a_second_call_of_a_loss_makes_none(monkeypatch):
    x = torch.ones(2, 4, 3, requires_grad=True)
    LAVLoss()(x, x)
    assert len(constants._kept) == 2
    monkeypatch.setattr(torch, "arange", None)
    monkeypatch.setattr(torch, "full", None)
    LAVLoss()(x, x)
