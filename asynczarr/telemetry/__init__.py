"""What happens inside, as frozen records that anybody may listen to."""
