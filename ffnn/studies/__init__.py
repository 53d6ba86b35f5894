"""Published studies, run here from their own settings, with their figures beside ours and each of their claims tested.

A study is one YAML file in `experiments/studies/`; what its page shows beyond the common part is a module of its name.
"""
