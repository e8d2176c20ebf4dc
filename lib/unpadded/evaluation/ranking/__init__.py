"""Are related documents ranked first? By topic, by judged queries, by people's ratings."""
