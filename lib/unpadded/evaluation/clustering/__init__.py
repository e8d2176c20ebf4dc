"""Do clusters of vectors agree with the topics?"""
