"""The laboratory: experiments, runs that resume, commands, the demo, the doctor and the recipes they use."""
