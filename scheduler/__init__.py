"""What happens when nobody answers: deadlines, chains, paging."""
