"""What does padding do to a vector? (03)"""
