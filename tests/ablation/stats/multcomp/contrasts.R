# Contrasts by multcomp and emmeans: the oracle of test_contrasts.py.
#
#   Rscript contrasts.R trials.csv weights.csv > answers.csv
#
# trials.csv: case, arm, seed, wer. weights.csv: case, contrast, arm, weight. The model is wer = arm + seed by least squares; p and
# intervals are those of the multivariate t distribution (single step). Estimates come from emmeans, p and intervals from multcomp.
suppressMessages({library(multcomp); library(emmeans)})
set.seed(1)
arguments <- commandArgs(TRUE)
trials <- read.csv(arguments[1]); weights <- read.csv(arguments[2])
cat("case,contrast,difference,error,df,low,high,p\n")
for (case in unique(trials$case)) {
  data <- trials[trials$case == case, ]
  data$arm <- factor(data$arm, levels = unique(data$arm)); data$seed <- factor(data$seed)
  fit <- lm(wer ~ arm + seed, data)
  mine <- weights[weights$case == case, ]
  names <- unique(mine$contrast)
  rows <- lapply(names, function(name) {
    chosen <- mine[mine$contrast == name, ]
    found <- setNames(rep(0, nlevels(data$arm)), levels(data$arm))
    found[chosen$arm] <- chosen$weight
    found
  })
  names(rows) <- names
  means <- emmeans(fit, "arm")
  estimates <- as.data.frame(contrast(means, rows))
  joint <- glht(fit, linfct = mcp(arm = do.call(rbind, rows)))
  tested <- summary(joint, test = adjusted("single-step", abseps = 1e-4, maxpts = 1e6))$test
  limits <- confint(joint, calpha = adjusted_calpha(abseps = 1e-4, maxpts = 1e5))$confint
  for (name in names) {
    at <- which(names == name)
    cat(paste(case, name, sprintf("%.10g", estimates$estimate[at]), sprintf("%.10g", tested$sigma[at]), joint$df,
      sprintf("%.10g", limits[at, "lwr"]), sprintf("%.10g", limits[at, "upr"]), sprintf("%.10g", tested$pvalues[at]), sep = ","), "\n", sep = "")
  }
}
