"""The weights that come with the package."""

from pose import KINECT20, TrainConfig, evaluate, pretrained, read_annotations
from pose.pretrained import WEIGHTS, _say_terms
from pose.split import SAMPLE


def test_the_weights_are_small_and_know_all_joints():
    model = pretrained()
    assert WEIGHTS.stat().st_size <= 8e6
    assert (model.skeleton.names, model.num_stacks, model.channels) == (KINECT20.names, 1, 256)
    assert model.trained_joints.all()
    assert not model.training


def test_they_find_people_they_have_not_seen():
    people = read_annotations(SAMPLE / "joints.txt", SAMPLE / "images")
    few = people.select(range(0, len(people), 40))
    data = TrainConfig(inp_res=128).build_dataset(few, is_train=False)
    found = evaluate(pretrained(), data).summary()["pck@0.2"]
    assert found > 0.9  # 0.957; the mean pose: 0.713


def test_a_training_starts_from_them():
    assert TrainConfig(start="pretrained", inp_res=128).build_model().new_joints == ()


def test_the_terms_are_said_once(capsys):
    _say_terms.cache_clear()
    pretrained()
    pretrained()
    assert capsys.readouterr().out.count("for research") == 1
