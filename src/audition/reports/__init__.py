"""What people read: report cards, comparisons, figures, pages to listen to."""
