"""Who can be sent: skills, teams, territories, working time; knows no work orders."""
