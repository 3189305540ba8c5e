"""What people read: report cards, comparisons, figures and listening pages."""
