-- Tests change apart from what they test: a model whose tests alone changed is tested and not built.

alter table amalgam.model_state
    add column tests_checksum text,
    add column tests_clock text;
