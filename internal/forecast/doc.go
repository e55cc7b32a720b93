// Package forecast says what the rest of a period will cost, which days were out of the ordinary, and which Releases
// changed what a day costs. It is pure: days of cost come in, and so does the day it is. The same input gives the same
// output, to the last digit.
//
// Money is decimal at the edge. Floats are used inside of models alone, whose results are rounded to millionths.
//
// Where the methods are from:
//   - run-rate, seasonal naive, Holt-Winters, the damped trend, rolling origins: Hyndman and Athanasopoulos, Forecasting:
//     Principles and Practice, chapters 5.2, 5.10, 8.2 and 8.3 (the damped trend is Gardner and McKenzie's of 1985);
//   - WAPE, the sum of absolute errors over the sum of absolute values: Kolassa and Schütz, Foresight 6, 2007;
//   - intervals by the ranks of past errors: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005
//     (conformal prediction);
//   - the robust z: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993;
//   - the EWMA chart: Roberts, Technometrics 1, 1959, as in NIST's Engineering Statistics Handbook, 6.3.2.4.
//
// hack/backtest measures how good they are on series whose truth is known (docs/forecast.md has the figures).
package forecast
