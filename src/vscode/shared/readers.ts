/**
 * Readers of clusters.json and of the folders of runs, with the schemas that check them. They are most of what there
 * would be to load, so they are loaded (by `import()`) when there is the first such file to read.
 */
export { checkClusters, readClustersText } from '../../cluster/load';
export { Runs } from '../../engine/journal/runs';
