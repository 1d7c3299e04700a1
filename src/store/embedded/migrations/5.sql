-- Removes the words of a deleted message from the index at once. Else they stay there, marked as deleted, until segments
-- happen to be merged.
INSERT INTO message_words (message_words, rank) VALUES ('secure-delete', 1);
