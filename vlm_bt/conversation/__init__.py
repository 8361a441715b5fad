"""What a person says of their own accord while a mission runs: a closed set of intents, and answers from its memory.

A word is data: it selects an intent, names a thing that is known, or becomes the plain text of a fact. It never becomes
an expression, a path or markup.
"""
