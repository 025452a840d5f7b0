-- Called within a statement too, which may write for no reign: then nothing is asked.
alter function amalgam.fence(bigint) strict;
