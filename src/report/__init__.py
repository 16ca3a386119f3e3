"""A day's report for people: HTML and PDF with the same sections.

| module | tells |
|---|---|
| ``positions`` | the file that says what somebody holds |
| ``risk`` | what days of a value tell: volatility, value at risk, drawdown, correlation |
| ``holdings`` | positions and prices together: what they are worth, and their risk |
| ``gather`` | everything that a report is made of, asked of the queries and read from the lake |
| ``sections`` | it in words, tables and figures |
| ``figures`` | the plots |
| ``html``, ``pdf`` | the sections as a page, as pages |
"""
