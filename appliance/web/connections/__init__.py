"""The connections of the page: who may connect, how many, and how long they may take."""
