// Package actions makes of a pipeline the files by which GitHub Actions carries it out in the repository of a Component: a workflow, and
// beside it the scripts of the stages and what their conditions depend on.
//
// Nothing that a template, a Component or a commit says ever stands in a line that a shell reads. The steps that run are the same text in
// every repository; images, arguments and values reach them by environment variables. Scripts are files of their own, for two reasons:
// GitHub evaluates ${{ }} everywhere in a workflow but nowhere else, so that a script stays literally what it is, and whoever reviews a
// change of the golden path sees lines of a script rather than a block in a larger file.
//
// It is pure: Generate gives contents by path, and Drift compares them with what a repository holds.
package actions
