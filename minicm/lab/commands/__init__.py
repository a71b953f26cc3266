"""What can be done with a trained model of pictures, each a command: sample, evaluate, edit."""
