"""Alert statistics: what a series of counts or prices says about its newest points, from the past alone."""
